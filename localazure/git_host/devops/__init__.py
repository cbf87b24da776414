"""Azure DevOps: its REST for Git repositories, and its service hooks."""
