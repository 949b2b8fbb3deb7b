from pocketvision.cli import main

main()
