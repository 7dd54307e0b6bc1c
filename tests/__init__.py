"""greenlb's tests: unit tests mirror the package, wire tests run real processes against real peers."""
