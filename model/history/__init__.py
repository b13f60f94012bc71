"""The history of the people and things in a claim. Pure: no file, no clock but the one given."""
