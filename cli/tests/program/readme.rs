//! The README shows what the program prints.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Folder;

/// The commands of a session, each with the lines that it prints.
fn sessions(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => inside = line == "```console",
            Some(command) if inside => commands.push((command.to_owned(), String::new())),
            _ if inside => {
                let (_, output) = commands.last_mut().expect("a session begins with a command");
                output.push_str(line);
                output.push('\n');
            }
            _ => {}
        }
    }
    commands
}

#[cfg(unix)]
#[test]
fn every_command_of_the_readme_prints_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let commands = sessions(&std::fs::read_to_string(root.join("README.md")).unwrap());
    assert!(commands.len() > 20, "{} commands", commands.len());
    let folder = Folder::new();
    std::os::unix::fs::symlink(root.join("examples"), folder.file("examples")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_runmask")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(program.to_path_buf()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    for (command, expected) in commands {
        let mut shell = Command::new("sh");
        shell.current_dir(folder.path()).env("PATH", &path).env("XDG_RUNTIME_DIR", folder.path()).stdin(Stdio::null());
        let ended = shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).output().unwrap();
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), expected, "$ {command}");
    }
}
