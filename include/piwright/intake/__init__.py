"""What comes back from workers: distrust, validate, retag, record, classify failures."""
