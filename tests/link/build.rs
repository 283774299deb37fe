//! Link arguments of a static program without a C library.

fn main() {
    for argument in
        ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--gc-sections", "-Wl,--no-undefined"]
    {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
