"""The model in service: loaded, replaced, shadowed, watched for drift."""
