"""The reference documents in docs/, in English and Chinese: made from the tables of the code, so they cannot disagree with it."""
