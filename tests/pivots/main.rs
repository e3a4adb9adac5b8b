//! The standard pivots: how a program changes its mind, what its author writes for it, and that the program from before can be put back at
//! any time. Each file has the program before and after the pivot, and nothing else that an author would write.
//!
//! `cargo test --release --test pivots -- --nocapture` prints, for each, how many lines the author writes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod enum_value;
mod harness;
mod optional_field;
mod rename;
mod required_field;
mod scalar_to_list;
mod split;
mod sub_object;
mod turns;
mod two_branches;
mod type_change;
mod unique_index;

/// A test for each pivot; and one that is the other programs, each in a process of its own.
macro_rules! pivots {
    ($($module:ident: $name:literal,)*) => {
        $(#[test]
        fn $module() {
            harness::run::<$module::Pivot>(stringify!($module), $name);
        })*

        /// Does nothing unless one of the others starts it.
        #[test]
        fn program() {
            harness::as_program(|pivot, phase, path| match pivot {
                "turns" => turns::play(phase, path),
                $(stringify!($module) => harness::play::<$module::Pivot>(phase, path),)*
                other => panic!("there is no pivot {other}"),
            });
        }
    };
}

pivots! {
    optional_field: "optional field",
    required_field: "required field with default",
    rename: "rename",
    split: "split",
    sub_object: "move into a sub-object",
    type_change: "type change",
    scalar_to_list: "scalar to list",
    enum_value: "enum value",
    two_branches: "two branches that each add a step",
    unique_index: "unique index over old documents",
}
