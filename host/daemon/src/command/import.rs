//! `rfid-host import`.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use rfid_durable::Stores;
use rfid_sink_lookup::import::{ImportError, Progress, import};

pub(crate) async fn directory(file: &Path, data_dir: Option<&Path>) -> anyhow::Result<()> {
    let data_dir = data_dir.unwrap_or(Path::new("./data"));
    let stores = Stores::new(data_dir);
    // Drawn on a terminal only.
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{msg:>8} [{bar:40}] {percent}%")?.progress_chars("=> "));
    let imported = import(&stores, file, |progress| {
        let (what, done, all) = match progress {
            Progress::Checking(done, all) => ("checking", done, all),
            Progress::Storing(done, all) => ("storing", done, all),
        };
        bar.set_message(what);
        bar.set_length(all);
        bar.set_position(done);
    })
    .await;
    bar.finish_and_clear();
    stores.close().await;
    match imported {
        Ok(count) => {
            println!(
                "imported {} from {} into {}",
                super::counted(count, "record"),
                file.display(),
                data_dir.join("directory").display()
            );
            Ok(())
        }
        Err(ImportError::Faults(faults)) => {
            for (line, message) in &faults.shown {
                eprintln!("{}:{line}: {message}", file.display());
            }
            let more = faults.total - faults.shown.len() as u64;
            if more > 0 {
                eprintln!("and {more} more");
            }
            anyhow::bail!("{}: {}", file.display(), ImportError::Faults(faults))
        }
        Err(error) => Err(anyhow::Error::new(error).context(file.display().to_string())),
    }
}
