"""What a loss is: its signature, its reduction, its pairs, its sums."""
