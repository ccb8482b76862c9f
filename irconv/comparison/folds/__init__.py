"""What one side holds in parts and the other merged: recognised, and compared by what the parts give."""
