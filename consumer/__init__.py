"""The worker, the HTTP endpoint and the command line: the only package that does IO."""
