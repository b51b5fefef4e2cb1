"""What pip and uv see: pages, metadata, files, and the server of the embedded stack."""
