"""Types of arrays, by what they hold."""

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
"""Probabilities of fraud, shape (n_claims,)."""
Matrix = npt.NDArray[np.float64]
"""Claims as numbers, shape (n_claims, n_features)."""
Numbers = npt.NDArray[np.float64]
"""Any other numbers; the shape is said where they are used."""
Labels = npt.NDArray[np.integer]
"""1 for fraud, 0 for not, shape (n_claims,)."""
Indices = npt.NDArray[np.int64]
"""Positions, of rows for instance."""
Counts = npt.NDArray[np.int64]
"""How many."""
Flags = npt.NDArray[np.bool_]
"""Yes or no, for each row for instance."""
