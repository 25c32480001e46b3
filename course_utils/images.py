"""Batches of images: checks, vectors, sizes and grey values."""
