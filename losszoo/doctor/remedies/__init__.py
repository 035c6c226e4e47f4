"""What cures a failure: forms of an operation that do not break, substituted and tried."""
