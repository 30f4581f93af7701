//! What a new user types: the right answer, or a question that leads to it.

use crate::{Folder, small_mask};

#[test]
fn a_table_with_columns_of_any_names_is_read_as_soon_as_they_are_named() {
    let folder = Folder::new();
    folder.write("mask.npy", small_mask());
    folder.ok("encode mask.npy -o known.csv -f kaggle --renumber --header id,predicted_mask");
    folder.ok("encode mask.npy -o named.csv -f kaggle --renumber --header picture,runs_of");
    assert!(folder.ok("info known.csv").contains("runs (kaggle)"));
    let columns = "--columns picture,runs_of";
    folder.fails_with("info named.csv", &["--columns IMAGE,RUNS"]);
    assert!(folder.ok(&format!("info named.csv {columns}")).contains("runs (kaggle)"));
    folder.ok(&format!("convert named.csv -o table.csv -f table --like mask.npy {columns}"));
    folder.ok("convert known.csv -o expected.csv -f table --like mask.npy");
    assert_eq!(folder.text("table.csv"), folder.text("expected.csv"));
}
