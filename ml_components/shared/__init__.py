"""What the components share; Azure ML ships it beside each component's code (`additional_includes`)."""
