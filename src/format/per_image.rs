//! What writers keep of every image until the end of the file: objects of one image may come apart.

use std::collections::{BTreeMap, HashSet};

use super::objects::Image;
use crate::shape::Shape;

/// The images of a file, in the order in which they were first named, each with a text.
#[derive(Debug, Default)]
pub(super) struct PerImage {
    images: Vec<ImageText>,
    index: BTreeMap<String, usize>,
    numbers: Numbers,
}

#[derive(Debug)]
pub(super) struct ImageText {
    pub(super) id: String,
    /// The id as a number, for formats whose ids are numbers.
    pub(super) number: u64,
    pub(super) name: Option<String>,
    pub(super) shape: Option<Shape>,
    pub(super) text: Vec<u8>,
    /// Objects that were written.
    pub(super) objects: u64,
}

impl PerImage {
    /// Images whose numbers count from `first` where their ids are no numbers.
    pub(super) fn counting_from(first: u64) -> Self {
        Self { numbers: Numbers { next: first, ..Numbers::default() }, ..Self::default() }
    }

    pub(super) fn image(&mut self, image: &Image<'_>) {
        let kept = self.entry(image.id, image.shape);
        if let Some(name) = image.name {
            kept.name = Some(name.to_owned());
        }
    }

    /// What is kept of an image.
    pub(super) fn entry(&mut self, id: &str, shape: Option<Shape>) -> &mut ImageText {
        let index = match self.index.get(id) {
            Some(&index) => index,
            None => {
                self.index.insert(id.to_owned(), self.images.len());
                let number = self.numbers.of(id);
                self.images.push(ImageText {
                    id: id.to_owned(),
                    number,
                    name: None,
                    shape: None,
                    text: Vec::new(),
                    objects: 0,
                });
                self.images.len() - 1
            }
        };
        let image = &mut self.images[index];
        image.shape = image.shape.or(shape);
        image
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ImageText> {
        self.images.iter()
    }
}

impl ImageText {
    /// The id, when the number does not tell it.
    pub(super) fn text_id(&self) -> Option<&str> {
        (self.number.to_string() != self.id).then_some(self.id.as_str())
    }

    /// The name of the image file; the id where none is known.
    pub(super) fn file_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// Numbers for the ids of images: an id that is a number keeps it, others get the next one that is free.
#[derive(Debug, Default)]
struct Numbers {
    next: u64,
    taken: HashSet<u64>,
}

impl Numbers {
    fn of(&mut self, id: &str) -> u64 {
        if let Ok(number) = id.parse::<u64>()
            && number.to_string() == id
            && self.taken.insert(number)
        {
            return number;
        }
        while !self.taken.insert(self.next) {
            self.next += 1;
        }
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_and_texts_get_the_next_ones() {
        let mut images = PerImage::counting_from(1);
        for (id, number) in [("a", 1), ("7", 7), ("1", 2), ("07", 3), ("b", 4), ("5", 5), ("c", 6), ("d", 8), ("a", 1)]
        {
            assert_eq!(images.entry(id, None).number, number, "{id}");
        }
        let texts: Vec<_> = images.iter().filter_map(ImageText::text_id).collect();
        assert_eq!(texts, ["a", "1", "07", "b", "c", "d"]);
    }
}
