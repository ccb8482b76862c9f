"""Reading ONNX: nodes of every opset become layers; most are one row of the table, the others have a handler here."""
