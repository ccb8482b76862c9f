"""What neither a row of the table nor a decomposition can say: one module for each subject."""
