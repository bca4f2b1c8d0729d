"""Is what the extractor says true? A second one looks at a sample."""
