"""What a change does, in the reader's terms, before it is merged."""
