"""The pages that the runner writes itself."""
