import os
import pty

from agent.terminal import Terminal


def test_a_pipe_is_no_terminal():
    read_end, write_end = os.pipe()
    terminal = Terminal((read_end,))

    assert not terminal.present
    assert not terminal.give(os.getpgrp())
    assert not terminal.take_back(os.getpgrp())
    os.close(read_end)
    os.close(write_end)


def test_a_terminal_that_is_not_the_controlling_one_is_left_alone():
    keyboard, screen = pty.openpty()

    assert not Terminal((screen,)).present
    os.close(keyboard)
    os.close(screen)


def test_a_closed_descriptor_is_no_terminal():
    read_end, write_end = os.pipe()
    os.close(read_end)
    os.close(write_end)

    assert not Terminal((read_end,)).present
