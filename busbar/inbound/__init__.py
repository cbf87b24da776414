"""Raw payloads from outside → domain events. Pure: what is wrong raises `BadRequest` naming the field."""
