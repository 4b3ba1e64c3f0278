//! Pacing, schedules, block order and CPU accounting, shared by both modes.
