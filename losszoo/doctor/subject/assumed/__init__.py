"""What a loss is called with where nobody says it: by names of arguments, by trial, and by what its code does."""
