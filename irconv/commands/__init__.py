"""The commands, one module each, whose name is the command's: imported when it is asked for.

They parse arguments, call `irconv.api` and print. `options` has the options that several of them share.
"""
