"""The live collector as the read model of `show`: what fold and inventory hold, joined into views. Judges nothing.

`board.Board` holds what changed last and belongs to the event loop; `model.LiveModel` answers from it and the database.
"""
