"""The pages of the documentation, taken apart and run."""
