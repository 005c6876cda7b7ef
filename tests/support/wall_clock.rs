//! A process whose wall clock the test moves, without root: a preloaded library adds an offset (`wall_clock.c`).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct WallClock {
    library: PathBuf,
    path: PathBuf,
    offset: File,
}

impl WallClock {
    /// Right until it is moved. `folder` gets what it is made of.
    #[track_caller]
    pub fn new(folder: &Path) -> WallClock {
        let (source, library, path) =
            (folder.join("wall_clock.c"), folder.join("wall_clock.so"), folder.join("wall_clock.offset"));
        std::fs::write(&source, include_str!("wall_clock.c")).expect("the library's source");
        // librdkafka's build needs a C compiler too.
        let mut cc = Command::new("cc");
        cc.args(["-std=c11", "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        let output = cc.arg("-ldl").output().expect("cc starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let offset = File::create_new(&path).expect("a file for the offset");
        let clock = WallClock { library, path, offset };
        clock.set_off_by(0);
        clock
    }

    /// The environment of the process that goes by it.
    pub fn environment(&self) -> [(&str, &str); 2] {
        let each = [("LD_PRELOAD", &self.library), ("WALL_CLOCK", &self.path)];
        each.map(|(name, path)| (name, path.to_str().expect("a path that is text")))
    }

    /// Sets the process's wall clock to the true time and so much, at once.
    pub fn set_off_by(&self, ms: i64) {
        self.offset.write_all_at(&ms.to_ne_bytes(), 0).expect("the offset is written");
    }
}
