//! Longest match over digit prefixes in many spaces.
