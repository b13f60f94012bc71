"""Human-readable reports and cards."""
