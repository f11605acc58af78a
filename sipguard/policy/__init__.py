"""Pure rules over (attempt, directory, funds, live counts, now). No I/O, no clock, no chance.

Read decide.py first: it is the order of the checks, and each check lives in the module of its noun.
A check that fails returns a `Refusal`; an assertion states a bug; network data raises nothing.
"""
