use proptest::prelude::*;

use super::*;

/// A directory: sides, and what is said of the size of a pixel.
#[derive(Clone, Default)]
struct Page {
    sides: (u32, u32),
    description: Option<Vec<u8>>,
    /// Across and down, and the unit.
    resolution: Option<[(u32, u32); 2]>,
    unit: Option<u32>,
    reduced: bool,
}

fn page(height: u32, width: u32) -> Page {
    Page { sides: (height, width), ..Page::default() }
}

impl Page {
    fn said(mut self, text: impl AsRef<[u8]>) -> Self {
        self.description = Some(text.as_ref().to_vec());
        self
    }

    fn resolution(mut self, across: (u32, u32), down: (u32, u32), unit: impl Into<Option<u32>>) -> Self {
        (self.resolution, self.unit) = (Some([across, down]), unit.into());
        self
    }

    fn reduced(mut self) -> Self {
        self.reduced = true;
        self
    }
}

/// A file of these pages, whose pixels nobody reads.
fn file(pages: &[Page], big: bool, big_endian: bool) -> Vec<u8> {
    let number = |value: u64, size: usize| {
        if big_endian { value.to_be_bytes()[8 - size..].to_vec() } else { value.to_le_bytes()[..size].to_vec() }
    };
    let field = if big { 8 } else { 4 };
    let mut bytes = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
    bytes.extend(number(if big { 43 } else { 42 }, 2));
    if big {
        bytes.extend([number(8, 2), number(0, 2)].concat());
    }
    let mut link = bytes.len();
    bytes.extend(number(0, field));
    for page in pages {
        let fraction = |(one, other): (u32, u32)| [number(one.into(), 4), number(other.into(), 4)].concat();
        let mut entries: Vec<(u64, u64, u64, Vec<u8>)> = vec![
            (254, 4, 1, number(page.reduced.into(), 4)),
            (256, 4, 1, number(page.sides.1.into(), 4)),
            (257, 4, 1, number(page.sides.0.into(), 4)),
        ];
        entries.extend(page.description.iter().map(|text| (270, 2, text.len() as u64 + 1, [&text[..], &[0]].concat())));
        if let Some([across, down]) = page.resolution {
            entries.extend([(282, 5, 1, fraction(across)), (283, 5, 1, fraction(down))]);
        }
        entries.extend(page.unit.map(|unit| (296, 3, 1, number(unit.into(), 2))));
        let mut directory = number(entries.len() as u64, if big { 8 } else { 2 });
        for (tag, kind, count, value) in entries {
            directory.extend([number(tag, 2), number(kind, 2), number(count, field)].concat());
            if value.len() > field {
                directory.extend(number(bytes.len() as u64, field));
                bytes.extend(value);
            } else {
                directory.extend([&value[..], &vec![0; field - value.len()]].concat());
            }
        }
        let place = bytes.len() as u64;
        bytes[link..][..field].copy_from_slice(&number(place, field));
        bytes.extend(directory);
        link = bytes.len();
        bytes.extend(number(0, field));
    }
    bytes
}

/// What all forms of a file say of a page and level.
fn level(pages: &[Page], page: u32, level: u32) -> Option<(f64, f64)> {
    let [first, others @ ..] = [(false, false), (false, true), (true, false), (true, true)].map(|(big, big_endian)| {
        let file = RandomAccess::from_bytes(file(pages, big, big_endian), "a.tif");
        let found = pixel_size(&file, &OpenOptions::new().page(page).level(level)).expect("a sound file");
        found.map(|size| (size.height(), size.width()))
    });
    others.iter().for_each(|other| assert_eq!(*other, first));
    first
}

fn of(page: Page) -> Option<(f64, f64)> {
    level(&[page], 0, 0)
}

#[test]
fn a_resolution_counts_where_it_was_measured() {
    let plain = page(20, 10);
    assert_eq!(of(plain.clone()), None);
    // Pixels for each centimetre, and for each inch.
    assert_eq!(of(plain.clone().resolution((20_000, 1), (40_000, 1), 3)), Some((0.25, 0.5)));
    assert_eq!(of(plain.clone().resolution((50_800, 1), (50_800, 1), 2)), Some((0.5, 0.5)));
    assert_eq!(of(plain.clone().resolution((4_000_000_000, 80_000), (4_000_000_000, 80_000), 2)), Some((0.508, 0.508)));
    // Screens and printers.
    for dots in [1, 28, 72, 96, 150, 300] {
        assert_eq!(of(plain.clone().resolution((dots, 1), (dots, 1), 2)), None, "{dots}");
    }
    assert_eq!(of(plain.clone().resolution((118_110, 1000), (118_110, 1000), 3)), None);
    assert_eq!(of(plain.clone().resolution((72, 1), (50_800, 1), 2)), None);
    // No unit, an unknown one, none of two, nothing, half of it.
    for unit in [None, Some(1), Some(0), Some(4)] {
        assert_eq!(of(plain.clone().resolution((50_800, 1), (50_800, 1), unit)), None);
    }
    assert_eq!(of(plain.clone().resolution((0, 1), (50_800, 1), 2)), None);
    assert_eq!(of(plain.clone().resolution((50_800, 1), (50_800, 0), 2)), None);
    assert_eq!(of(plain.clone().resolution((0, 0), (0, 0), 3)), None);
    assert_eq!(of(Page { unit: Some(2), ..plain }), None);
}

#[test]
fn imagej_names_the_unit_of_its_resolution() {
    let told = |unit: &str| {
        let text = format!("ImageJ=1.54f\nimages=1\nunit={unit}\nloop=false\n");
        of(page(20, 10).said(text).resolution((2_000_000, 1_000_000), (4_000_000, 1_000_000), 1))
    };
    for unit in ["um", "micron", "microns", "\u{b5}m", "\u{3bc}m", "\\u00B5m"] {
        assert_eq!(told(unit), Some((0.25, 0.5)), "{unit}");
    }
    assert_eq!(told("nm"), Some((0.000_25, 0.000_5)));
    assert_eq!(told("mm"), Some((250.0, 500.0)));
    for unit in ["pixel", "", "parsec", "inch", "cm"] {
        assert_eq!(told(unit), None, "{unit}");
    }
    let latin = page(2, 2).said(b"ImageJ=1\nunit=\xb5m\n").resolution((2, 1), (2, 1), 1);
    assert_eq!(of(latin), Some((0.5, 0.5)));
    let inches = page(2, 2).said("ImageJ=1\nunit=inch\n").resolution((50_800, 1), (50_800, 1), 2);
    assert_eq!(of(inches), Some((0.5, 0.5)));
}

fn xml(images: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><!-- a warning --><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"
           UUID="urn:uuid:1">{images}</OME>"#
    )
}

fn image(attributes: &str, pages: &str) -> String {
    format!(r#"<Image ID="Image:0"><Pixels ID="Pixels:0" Type="uint16" {attributes}>{pages}</Pixels></Image>"#)
}

#[test]
fn ome_xml_names_sizes_and_units() {
    let told = |attributes: &str| of(page(20, 10).said(xml(&image(attributes, ""))));
    assert_eq!(told(r#"PhysicalSizeX="0.5" PhysicalSizeY="0.25""#), Some((0.25, 0.5)));
    for (unit, times) in [("\u{b5}m", 1.0), ("&#181;m", 1.0), ("nm", 1e-3), ("mm", 1e3), ("cm", 1e4), ("\u{c5}", 1e-4)]
    {
        let sizes =
            format!(r#"PhysicalSizeX="2" PhysicalSizeXUnit="{unit}" PhysicalSizeY="4" PhysicalSizeYUnit="{unit}""#);
        assert_eq!(told(&sizes), Some((4.0 * times, 2.0 * times)), "{unit}");
    }
    let explicit = r#"PhysicalSizeX="1" PhysicalSizeXUnit="um" PhysicalSizeY="1" PhysicalSizeYUnit="um""#;
    assert_eq!(told(explicit), Some((1.0, 1.0)));
    // What nobody measured, half of it, and no numbers.
    for sizes in [
        "",
        r#"PhysicalSizeX="1.0" PhysicalSizeY="1.0""#,
        r#"PhysicalSizeX="0.5""#,
        r#"PhysicalSizeX="0" PhysicalSizeY="0""#,
        r#"PhysicalSizeX="-1" PhysicalSizeY="2""#,
        r#"PhysicalSizeX="NaN" PhysicalSizeY="NaN""#,
        r#"PhysicalSizeX="inf" PhysicalSizeY="2""#,
        r#"PhysicalSizeX="0.5" PhysicalSizeXUnit="pixel" PhysicalSizeY="0.5" PhysicalSizeYUnit="pixel""#,
    ] {
        assert_eq!(told(sizes), None, "{sizes}");
    }
    // A name space with a prefix; damage.
    let prefixed = xml(&image(r#"PhysicalSizeX="0.5" PhysicalSizeY="0.25""#, ""));
    let prefixed = prefixed.replace("<Pixels", "<ome:Pixels").replace("</Pixels", "</ome:Pixels");
    assert_eq!(of(page(2, 2).said(prefixed)), Some((0.25, 0.5)));
    assert_eq!(of(page(2, 2).said("<OME><Image><Pixels PhysicalSizeX=")), None);
    // Damage does not hide a resolution.
    let damaged = page(2, 2).said("<OME><Image></Pixels>").resolution((20_000, 1), (20_000, 1), 3);
    assert_eq!(of(damaged), Some((0.5, 0.5)));
}

#[test]
fn each_page_has_the_size_of_its_image() {
    let sizes = |size: &str| format!(r#"PhysicalSizeX="{size}" PhysicalSizeY="{size}""#);
    let here = "<UUID FileName='a.tif'>urn:uuid:1</UUID>";
    let text = xml(&[
        image(&sizes("9"), "<TiffData IFD='1'><UUID FileName='b.tif'>urn:uuid:2</UUID></TiffData>"),
        image(&sizes("2"), "<TiffData IFD='0' PlaneCount='2'/>"),
        image(&sizes("3"), &format!("<TiffData IFD='2'>{here}</TiffData><TiffData IFD='4'>{here}</TiffData>")),
    ]
    .concat());
    let pages = [page(2, 2).said(text), page(2, 2), page(2, 2), page(2, 2), page(2, 2)];
    let found: Vec<_> = (0..5).map(|number| level(&pages, number, 0).map(|size| size.0)).collect();
    assert_eq!(found, [Some(2.0), Some(2.0), Some(3.0), None, Some(3.0)]);
    let all = xml(&image(&sizes("2"), "<TiffData/>"));
    let pages = [page(2, 2).said(all), page(2, 2)];
    assert_eq!(level(&pages, 1, 0), Some((2.0, 2.0)));
}

#[test]
fn pixels_of_levels_are_larger() {
    let pages = [
        page(1001, 2003).resolution((20_000, 1), (20_000, 1), 3),
        page(501, 1001).reduced(),
        page(250, 500).reduced(),
        page(90, 180).reduced(),
    ];
    assert_eq!(level(&pages, 0, 0), Some((0.5, 0.5)));
    assert_eq!(level(&pages, 0, 1), Some((1.0, 1.0)));
    assert_eq!(level(&pages, 0, 2), Some((2.0, 2.0)));
    assert_eq!(level(&pages, 0, 3), Some((0.5 * 1001.0 / 90.0, 0.5 * 2003.0 / 180.0)));
    // A smaller copy that is read as a page: only what it says itself counts.
    let text = xml(&image(r#"PhysicalSizeX="0.5" PhysicalSizeY="0.5""#, ""));
    let pages = [page(8, 8).said(text), page(4, 4).reduced()];
    assert_eq!(level(&pages, 0, 1), Some((1.0, 1.0)));
    assert_eq!(level(&pages, 1, 0), None);
}

/// A text of which the entry claims more than the file holds, and a fraction that lies outside.
#[test]
fn what_lies_outside_the_file_is_no_size() {
    let sound = page(2, 2).said("ImageJ=1.54\nunit=um\n").resolution((20_000, 1), (20_000, 1), 3);
    let bytes = file(&[sound], false, false);
    let damaged = |tag: u16, at: usize, value: u32| {
        let mut bytes = bytes.clone();
        let entry = bytes.windows(4).rposition(|part| part[..2] == tag.to_le_bytes() && part[3] == 0).expect("there");
        bytes[entry + at..][..4].copy_from_slice(&value.to_le_bytes());
        pixel_size(&RandomAccess::from_bytes(bytes, "a.tif"), &OpenOptions::new())
    };
    for (at, value) in [(4, u32::MAX), (8, u32::MAX), (4, 1 << 20)] {
        let found = damaged(270, at, value).expect("without the text").expect("a resolution");
        assert_eq!((found.height(), found.width()), (0.5, 0.5));
    }
    assert!(damaged(282, 8, u32::MAX).is_err());
    assert!(damaged(282, 4, 0).expect("no value").is_none());
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(parts in prop::collection::vec(prop_oneof![
        Just("<OME "), Just("UUID='1'"), Just(">"), Just("<Image>"), Just("<Pixels PhysicalSizeX='2' PhysicalSizeY='3'"),
        Just("/>"), Just("<TiffData "), Just("IFD='0'"), Just("PlaneCount='18446744073709551615'"), Just("<UUID>"), Just("1"),
        Just("</UUID>"), Just("</TiffData>"), Just("</Image>"), Just("</OME>"), Just("&bad;"), Just("<![CDATA["), Just("'"),
    ], 0..30)) {
        let sizes = [None, Some((3.0, 2.0))];
        prop_assert!(sizes.contains(&ome(&parts.concat(), 0)));
    }
}
