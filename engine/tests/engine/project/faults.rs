//! The table of faults in `docs/faults.md`, held against the tests that it names.

use std::fs;

use super::requirements::{root, test_names};

#[test]
fn every_fault_of_the_table_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("../docs/faults.md")).expect("the page is there");
    let known = test_names();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .collect();
    assert!(rows.len() >= 5, "the table has lost its rows");
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in: {row}");
        for name in names {
            assert!(known.contains(name), "no test is called {name}");
        }
    }
}
