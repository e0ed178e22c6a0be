-- Circles, references to oneself, rows that violate them, every action.
CREATE TABLE parent (id INT PRIMARY KEY, other INT, part INT, UNIQUE KEY (other), KEY (part))
$$
CREATE TABLE child (id INT AUTO_INCREMENT, parent INT, body TEXT, PRIMARY KEY (id), CONSTRAINT fk FOREIGN KEY (parent) REFERENCES parent (other) ON DELETE CASCADE ON UPDATE SET NULL)
$$
ALTER TABLE parent ADD CONSTRAINT circle FOREIGN KEY (id) REFERENCES child (id)
$$
INSERT INTO child VALUES (5, 99, 'violates the key'), (6, 98, NULL)
$$
CREATE TABLE tree (id INT PRIMARY KEY, up INT, CONSTRAINT `up``ward` FOREIGN KEY (up) REFERENCES tree (id) ON DELETE SET NULL)
$$
INSERT INTO tree VALUES (1, 2), (2, 1), (3, 77)
$$
CREATE TABLE composite (a INT, b VARCHAR(10), PRIMARY KEY (a, b))
$$
CREATE TABLE refers (x INT, y VARCHAR(10), z INT, KEY yx (x, y), FOREIGN KEY (x, y) REFERENCES composite (a, b) ON DELETE RESTRICT ON UPDATE NO ACTION, CONSTRAINT nonunique FOREIGN KEY (z) REFERENCES parent (part))
$$
INSERT INTO refers VALUES (1, 'x', 1)
$$
CREATE TABLE a_before (id INT PRIMARY KEY, CONSTRAINT FOREIGN KEY (id) REFERENCES z_after (id))
$$
CREATE TABLE z_after (id INT PRIMARY KEY)
$$
INSERT INTO a_before VALUES (4)
$$
CREATE TABLE dangling (id INT PRIMARY KEY, CONSTRAINT nowhere FOREIGN KEY (id) REFERENCES never_made (id))
$$
INSERT INTO dangling VALUES (1)
$$
