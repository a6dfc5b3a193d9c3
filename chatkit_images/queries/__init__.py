"""From ChatKit's types to rows and back, synchronous; a write is one transaction."""
