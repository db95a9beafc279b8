//! The README shows the examples as they are.

#[test]
fn the_readme_shows_both_examples() {
    let readme = include_str!("../../../../README.md");
    for (name, example) in [
        ("two_engines.rs", include_str!("../../../examples/two_engines.rs")),
        ("echo.rs", include_str!("../../../examples/echo.rs")),
    ] {
        assert!(
            readme.contains(example),
            "README.md shows another {name} than engine/examples"
        );
    }
}
