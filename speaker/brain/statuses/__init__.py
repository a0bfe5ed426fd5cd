"""What users read about announcements: one object for each Service that this node announces."""
