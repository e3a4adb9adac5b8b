//! File systems that can be cut off and filled up. Needs root and Linux.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Names of everything made here, so that what a killed run has left behind is found by the next one.
const PREFIX: &str = "pivotdb-disk-";

/// A mounted file system, unmounted when it is dropped.
#[derive(Debug)]
pub(crate) struct Mount {
    /// Where it is mounted, and beside that an image, where it is on one.
    home: PathBuf,
    source: Source,
    mounted: bool,
}

/// A power cut that waits for its moment.
#[derive(Debug)]
pub(crate) struct Cut {
    perl: Child,
}

#[derive(Debug, Clone)]
enum Source {
    /// ext4 in a file, with these options.
    Image {
        options: String,
    },
    Memory,
}

impl Mount {
    /// ext4 on a loop device over a sparse file, made anew.
    pub(crate) fn image(megabytes: u64, features: &str, options: &str) -> io::Result<Self> {
        let home = home()?;
        let image = home.join("image");
        fs::File::create(&image)?.set_len(megabytes << 20)?;
        let mut format = Command::new("mkfs.ext4");
        // Inode tables and the journal are written at once: nothing goes on in the background.
        format.args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", "-O", features]);
        run(format.arg(&image))?;
        let mut mount = Self { home, source: Source::Image { options: options.to_owned() }, mounted: false };
        mount.mount()?;
        Ok(mount)
    }

    /// A file system in memory with an upper bound.
    pub(crate) fn memory(megabytes: u64) -> io::Result<Self> {
        let mut mount = Self { home: home()?, source: Source::Memory, mounted: false };
        mount.mount_with(&format!("size={megabytes}m"))?;
        Ok(mount)
    }

    /// The root of the file system.
    pub(crate) fn root(&self) -> PathBuf {
        self.home.join("root")
    }

    /// A directory beside the file system, gone with it.
    pub(crate) fn beside(&self) -> &Path {
        &self.home
    }

    /// Makes everything ready for a power cut, which then takes no time.
    pub(crate) fn ready_to_cut(&self) -> io::Result<Cut> {
        // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH; in Perl, since the crate has no unsafe code.
        const SHUTDOWN: &str = "open(my $root, '<', $ARGV[0]) or die \"open: $!\"; my $flag = pack('L', 2); \
                                $| = 1; print \"ready\\n\"; <STDIN>; \
                                ioctl($root, 0x8004587d, $flag) or die \"ioctl: $!\";";
        let mut perl = Command::new("perl")
            .args(["-e", SHUTDOWN])
            .arg(self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(stdout) = &mut perl.stdout {
            io::BufReader::new(stdout).read_line(&mut String::new())?;
        }
        Ok(Cut { perl })
    }

    /// A power cut as soon as may be.
    pub(crate) fn cut(&self) -> io::Result<Instant> {
        self.ready_to_cut()?.now()
    }

    /// Unmounts, and mounts again what is on the medium.
    pub(crate) fn remount(&mut self) -> io::Result<()> {
        self.unmount()?;
        self.mount()
    }

    fn mount(&mut self) -> io::Result<()> {
        match self.source.clone() {
            Source::Image { options } => self.mount_with(&options),
            Source::Memory => Err(io::Error::other("it is gone once it is unmounted")),
        }
    }

    fn mount_with(&mut self, options: &str) -> io::Result<()> {
        fs::create_dir_all(self.root())?;
        let mut mount = Command::new("mount");
        match self.source {
            Source::Image { .. } => {
                mount.args(["-t", "ext4", "-o", &format!("loop,{options}")]).arg(self.home.join("image"))
            }
            Source::Memory => mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]),
        };
        run(mount.arg(self.root()))?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> io::Result<()> {
        // A process that has just been killed may still be giving its files up.
        let give_up = Instant::now() + Duration::from_secs(10);
        loop {
            match run(Command::new("umount").arg(self.root())) {
                Err(error) if Instant::now() > give_up => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
                Ok(()) => {
                    self.mounted = false;
                    return Ok(());
                }
            }
        }
    }
}

impl Cut {
    /// What a power cut does: from here on nothing reaches the medium, and what has not reached it is gone, the journal's
    /// last transactions too. Gives when it began, less than a millisecond before it was done.
    pub(crate) fn now(mut self) -> io::Result<Instant> {
        let begun = Instant::now();
        if let Some(mut stdin) = self.perl.stdin.take() {
            // If it has ended early it says why itself.
            let _ = stdin.write_all(b"\n");
        }
        ended(&self.perl.wait_with_output()?, "perl").map(|()| begun)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.mounted && self.unmount().is_err() {
            let _ = run(Command::new("umount").arg("-l").arg(self.root()));
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Why there can be no file systems of these kinds here; `None`: there can.
pub(crate) fn unavailable(make: impl FnOnce() -> io::Result<Mount>) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("file systems are cut off on Linux only".to_owned());
    }
    sweep();
    make().err().map(|error| error.to_string())
}

/// A new directory.
fn home() -> io::Result<PathBuf> {
    let name = format!("{PREFIX}{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&name).tempdir()?.keep())
}

/// Takes away what runs that were killed have left mounted.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = run(Command::new("umount").arg("-l").arg(entry.path().join("root")));
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let program = command.get_program().display().to_string();
    let output =
        command.output().map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    ended(&output, &program)
}

/// An error with what the program has said, unless all went well.
fn ended(output: &Output, program: &str) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program}: {}", text.trim().replace('\n', " "))))
}
