//! `completions` and `man`: what shells and `man` show, from the definitions that arguments are read by.

use clap::{Command, CommandFactory};
use runmask::{Error, Result};

use crate::args::{Arguments, Completions, Man};
use crate::exit::Status;

pub(crate) fn completions(args: &Completions) -> Result<Status> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "runmask", &mut text);
    super::write(&text)?;
    Ok(Status::Done)
}

pub(crate) fn man(args: &Man) -> Result<Status> {
    let mut command = Arguments::command();
    command.build();
    let (mut page, mut name) = (&command, "runmask".to_owned());
    for word in &args.command {
        page = page.find_subcommand(word).ok_or_else(|| unknown(page, &name, word))?;
        name = format!("{name}-{}", page.get_name());
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(page.clone())
        .title(name)
        .render(&mut text)
        .map_err(|source| Error::Io { context: "writing the man page".into(), source })?;
    super::write(&text)?;
    Ok(Status::Done)
}

fn unknown(page: &Command, name: &str, word: &str) -> Error {
    let commands: Vec<_> = page.get_subcommands().map(Command::get_name).collect();
    Error::Argument(match commands.is_empty() {
        true => format!("{name} has no commands of its own, and none that is {word}"),
        false => format!("no command {word}; the commands are {}", commands.join(", ")),
    })
}
