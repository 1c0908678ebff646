//! Tests of the Resource Monitor.
