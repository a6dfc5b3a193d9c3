"""The rows behind ChatKit's types: sync functions, each one transaction."""
