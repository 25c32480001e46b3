"""What is looked for in a rendered site."""
