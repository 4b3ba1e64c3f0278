//! Looks at the machine.
