"""From claims to columns, and from columns to numbers."""
