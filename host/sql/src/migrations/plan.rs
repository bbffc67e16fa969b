//! What of a folder has to be applied to a database.

use super::{Applied, Migration, MigrationsError, told};

/// What the database says of one that was applied.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) checksum: String,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) next: Option<&'a Migration>,
    pub(crate) ahead: Vec<Applied>,
}

/// Compares a folder with what was applied, in the order of their numbers.
pub(crate) fn plan<'a>(files: &'a [Migration], kept: &[Kept]) -> Result<Plan<'a>, MigrationsError> {
    let newest = files.last().map_or(0, |file| file.number);
    let mut ahead = Vec::new();
    for was in kept {
        let Some(file) = files.iter().find(|file| file.number == was.number) else {
            if was.number > newest {
                ahead.push(Applied { number: was.number, name: was.name.clone() });
                continue;
            }
            let file = format!("{:04}_{}.sql", was.number, was.name);
            return Err(MigrationsError(format!("`{file}` was applied and is not in the folder: put it back")));
        };
        if file.name != was.name {
            let why = format!("it was applied as `{:04}_{}.sql`: give it that name again", was.number, was.name);
            return Err(told(&file.path, &why));
        }
        if file.checksum != was.checksum {
            let why = "it was changed after it was applied: put the old text back, and make the change in a new file";
            return Err(told(&file.path, why));
        }
    }
    let next = files.iter().find(|file| !kept.iter().any(|was| was.number == file.number));
    if let Some(next) = next
        && let Some(later) = kept.iter().find(|was| was.number > next.number)
    {
        let why = format!("{:04} was applied already, and this was not: give it the next number", later.number);
        return Err(told(&next.path, &why));
    }
    Ok(Plan { next, ahead })
}
