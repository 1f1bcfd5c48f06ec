"""Who there is: users made out of a seed, the orders they stand in, and what becomes of them.

`population` ◀ `cohorts`, `ids`, `orders`, `names`: who, and in which order; `users`, `archetypes`, `texts`: what they
are like; `changes` ◀ `churn`: what has become of them since. Nothing is stored: ten million cost no more memory than
ten.
"""
