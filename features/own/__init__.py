"""Features of your own: each file here holds one, ``FAMILY = Family(...)``, and nothing else has to be told of it.

`features.own_features` takes in every ``.py`` file of this folder but this one, and of the folder that ``[features]
folder`` of ``retain.toml`` names, for those who have installed Retain rather than checked it out. The features then
stand behind all others in the customer table: training learns from them, the list and the endpoint compute them from
the same expression, reasons speak of them in their own words, and ``retain features --catalogue`` tells them.

``retain features --test`` holds them to what holds for every feature here: that the order of rows, other customers,
other days and what comes later change no bit (`features.invariants`).

Files are taken in once, when a process first asks for the features. A model remembers the files it was trained with
and is not served where one of them is missing or another.
"""
