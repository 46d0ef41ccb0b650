//! The tables fit the engines, and the legacy service's.

use super::*;

#[test]
fn columns_added_to_the_legacy_service_s_tables_are_optional() {
    for (name, old) in OLD_TABLES {
        let Some(table) = TABLES.iter().find(|table| table.name == *name) else { continue };
        for column in table.columns.iter().filter(|column| !old.contains(&column.name)) {
            assert!(!matches!(column.presence, Required), "{name}.{}", column.name);
        }
    }
}

#[test]
fn names_fit_every_engine_and_are_unique() {
    let mut names: Vec<_> = TABLES.iter().flat_map(|table| table.indexes.iter().map(|index| index.name)).collect();
    assert!(names.iter().all(|name| name.len() <= 63));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
